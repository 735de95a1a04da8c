# The same network, parameter by parameter, that sees the query alone.
#
#   python tools/train.py configs/ablations/no_reference.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/no_reference.py work_dirs/no_reference/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

model = dict(
    reasoner=dict(
        _delete_=True,
        type='NoReference',
        reasoner=dict(type='RelationGCN', dim=1024, depth=6, variant='ssmr', readout='flatten'),
    )
)
