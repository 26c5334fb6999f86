"""Networks, their weights and manifests, and the commands that train, evaluate and export them."""
