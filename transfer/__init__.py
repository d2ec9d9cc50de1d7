"""How transferable are the features of MobileNet v1, block by block?

The floors of the package, from the ground up (a floor imports only from floors below it)::

    tasks      give arrays            (no networks)
    networks   give variables         (no data, no training)
    training   turns both into a row  (no studies)
    studies    make rows              (no figures)
    answers    read rows              (no TensorFlow)
    deploy     take one network away  (not how studies are executed)

``python -m transfer --help`` shows what can be done from a terminal.
"""

__version__ = "0.2.0"
