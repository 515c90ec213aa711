"""WHAT IS SHOWN: the numbers of a site, as JSON and through the script."""
