"""The functions of version 3 where its users find them."""
