"""The nouns: geometry, study, lesions, history, reads, outcome. Standard library and numpy only."""
