# AVA: AVA.txt, images/<id>.jpg and a list of the works that test: results on different lists cannot be compared.
table = dict(
    type='AVA', root='data/ava', test_list='aesthetics_image_lists/generic_test.jpgl', unknown='error', val_share=0.05
)
