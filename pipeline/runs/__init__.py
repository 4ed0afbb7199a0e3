"""What runs came to: kept in the root, found again, and put on a page each."""
