"""What `tintype doctor` looks at beside the parts themselves: limits of the machine, settings, and the last runs."""
