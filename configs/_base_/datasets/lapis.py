# LAPIS: annotation/, imageset/ and images/; the authors' lists.
table = dict(type='LAPIS', root='data/lapis')
