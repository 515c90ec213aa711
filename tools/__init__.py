"""What is run by people who change the product, and not by the product."""
