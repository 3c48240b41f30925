"""Steps that make new records with a teacher."""
