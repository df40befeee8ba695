"""lesiontrack in napari: opens a subject of a result folder as layers."""
