"""Networks, their weights and manifests, and the commands that train, evaluate and export them.

    commands     prepare, train, crossval, convert, calibrate, evaluate, card, overview, export,
                 bench; each is `python -m models.NAME`
    detection/   MTCNN, the face detector
    crops/       from a detected face to the array that a network takes
    inference/   engines, devices, the estimator and its calibration
    networks/    one architecture per file; zoo.py lists all networks that can be trained
    upstream/    readers of other projects' weights files
    datasets/    labels.csv, how to read it, how to make it from original data sets; the cache of
                 aligned chips
    training/    recipes, batches, losses, checkpoints
    evaluation/  metrics, their tables and plots, and the CSV files of results/
    exporting/   graphs, quantization, and their comparison with Keras

manifest.py describes a model, files.py writes files, errors.py, commands.py, quiet.py, plots.py,
timing.py and machine.py serve all commands.
"""
