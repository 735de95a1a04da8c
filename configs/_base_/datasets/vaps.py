# VAPS: the authors' tables, and the pictures in their folders by category or in images/. No official split.
table = dict(type='VAPS', root='data/vaps')
