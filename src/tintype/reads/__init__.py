"""One module per screen: skeleton → hydrate → rules → present."""
