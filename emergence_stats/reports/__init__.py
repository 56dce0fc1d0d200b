"""Results as words, pages and pictures. Nothing here estimates."""
