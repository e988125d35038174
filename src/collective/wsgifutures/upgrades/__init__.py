"""What a site that has an older profile gets."""
