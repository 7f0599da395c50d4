"""Who may do what here: the rules that are running, and questions about them."""
