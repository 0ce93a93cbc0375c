"""One module per story. A story orders effects; its docstring tells how it goes and how it fails."""
