from nodejs import install_packages, run_node


def test_the_typescript_client_passes_its_own_tests() -> None:
    install_packages()
    done = run_node("--test", "--test-timeout=20000", "test/*.test.ts")
    assert done.returncode == 0, done.stdout + done.stderr
