"""Files of event recordings: one reader a format, each of which refuses a damaged file by name."""

from .aedat3 import read_aedat3 as read_aedat3
from .aedat4 import read_aedat4 as read_aedat4
from .atis import read_atis as read_atis
from .event_npy import read_event_npy as read_event_npy
from .hsd import read_hsd as read_hsd
from .mat5 import read_mat5 as read_mat5
from .n_tidigits import read_n_tidigits as read_n_tidigits
from .packed_camera import read_packed_camera as read_packed_camera
from .packed_npz import read_packed_npz as read_packed_npz
from .prophesee import read_prophesee as read_prophesee
from .recording import Recording as Recording
from .recording import damaged as damaged
from .recordings import Recordings as Recordings
from .slayer import read_slayer as read_slayer
from .st_mnist import read_st_mnist as read_st_mnist
