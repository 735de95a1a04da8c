"""A part of a config's own package: training that takes time, so that it can be interrupted."""

import os
import time
from typing import Any

from mmengine.hooks import Hook

from ssmr.registry import HOOKS

#: To be added to a config; the folder of this file must be on PYTHONPATH.
CONFIG = """
custom_imports = dict(imports=['slow_steps'])
custom_hooks = [dict(type='SlowSteps')]
train_cfg = dict(by_epoch=True, max_epochs=14, val_interval=2)
train_dataloader = dict(batch_size=3)
model['reasoner']['dropout'] = 0.3
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1, save_best='srcc', max_keep_ckpts=2))
"""


@HOOKS.register_module()
class SlowSteps(Hook):
    def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
        time.sleep(float(os.environ.get('TEST_STEP_SECONDS', 0)))
