"""Training: recipes, batches, losses, checkpoints, distillation and cross-validation protocols."""
