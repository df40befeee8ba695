"""The screen: the only part of the plugin that knows Qt and napari."""
