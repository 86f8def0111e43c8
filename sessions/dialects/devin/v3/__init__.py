"""Version 3 of Devin's API: everything belongs to an organisation."""
