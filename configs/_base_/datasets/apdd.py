# APDDv2: APDDv2-10023.csv and the images. The scale is not verified: the reader refuses scores that do not come near it.
table = dict(type='APDDv2', root='data/apdd', scale=(0, 100), threshold=50.0)
