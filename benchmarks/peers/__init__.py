"""One script a peer: ``python PEER.py ALPHA THREADS SECONDS`` prints images a second as JSON.

All train the whole MobileNet v1 on the same work: uint8 images 45x80x3 resized to 48x80, batch 64,
SGD with momentum, three classes. Start-up and the first steps are not counted.
"""
