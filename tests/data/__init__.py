"""What tests read: made by the scripts here, none of it taken from elsewhere."""
