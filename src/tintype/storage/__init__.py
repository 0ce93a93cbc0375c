"""What the blob store holds as a whole: its journal, and its inventory compared with the rows."""
