"""What several stories do with bytes: how they come in, the journal of what went, the inventory beside the rows."""
