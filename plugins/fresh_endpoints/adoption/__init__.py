"""A pipeline file from what AWS tells of an endpoint that runs already."""
