"""The annotated example projects that come with the package, as data files."""
