"""A product whose killed processes are back in a tenth of a second: tests that kill hundreds of them wait for little.

What takes a second is loading the application. Here the server process and a nursery in the place of each worker load
it once and fork; what they fork is the product's own, from its first line on. And nobody loses patience with processes
that die so often, and a dead worker's jobs are taken over after two seconds instead of ten.
"""

from typing import Final

NURSERY: Final = "nursery"
"""What a process calls itself that only forks workers."""

QUICK_RESPAWN: Final = f"""
    import os, signal, sys

    NURSERY = {NURSERY!r}

    def call_oneself(name):
        with open("/proc/self/comm", "w") as file:
            file.write(name)

    def raise_workers(supervisor):
        import tintype.bootstrap.worker
        from tintype.adapters.parent_death import die_with_parent

        tintype.worker.HEARTBEAT_SECONDS = 0.4
        tintype.worker.STALLED_SECONDS = 2.0
        tintype.worker.SWEEP_SECONDS = 1.0
        die_with_parent(supervisor)
        call_oneself(NURSERY)
        nursery, worker, stopping = os.getpid(), 0, []

        def stop(number, _):
            stopping.append(number)
            if worker:
                os.kill(worker, number)

        signal.signal(signal.SIGTERM, stop)
        while not stopping:
            worker = os.fork()
            if not worker:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                sys.argv[-1] = str(nursery)
                call_oneself("python")
                return
            _, status = os.waitpid(worker, 0)
            if not os.WIFSIGNALED(status):
                os._exit(os.waitstatus_to_exitcode(status))
        os._exit(0)

    def load_application_in_the_server():
        import tintype.bootstrap.api
        import tintype.web.server
        from granian.server.mp import MPServer

        class Forgiving(dict):
            def get(self, key, default=None):
                return 0

        made = MPServer.__init__

        def forgive(self, *arguments, **named):
            made(self, *arguments, **named)
            self.respawned_wrks = Forgiving()

        MPServer.__init__ = forgive
        tintype.web.server.RESPAWN_SECONDS = 0.01

    if "run-worker" in sys.orig_argv:
        raise_workers(int(sys.orig_argv[-1]))
    else:
        load_application_in_the_server()
"""
"""For `sabotaged`; code that breaks something may follow it."""
