"""The API of Devin: sessions of coding agents."""
