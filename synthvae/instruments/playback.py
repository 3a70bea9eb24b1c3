"""Sounds to loudspeakers, where the machine has some."""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from synthvae.core.errors import UserError

__all__ = ["play_sound"]

_INSTEAD = "synthvae export PRESET --to wav writes a file instead"


def play_sound(sound: NDArray[np.float32], sample_rate: int) -> None:
    """Play a sound on the default output and wait until it has ended.

    Args:
        sound: ``(T,)``, full scale is 1.
        sample_rate: in Hz.

    Raises:
        UserError: if the package or the library that plays is missing, or the machine has no output for sound, or
            none that takes this rate.
    """
    sounddevice = _sounddevice()
    try:
        sounddevice.play(sound, sample_rate)
        sounddevice.wait()
    except sounddevice.PortAudioError as error:
        reason = str(error).split(":")[0]
        raise UserError(
            f"play: this machine has no output for sound at {sample_rate} Hz ({reason}); {_INSTEAD}"
        ) from None
    finally:
        sounddevice.stop()


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise UserError(f"play: the package sounddevice is missing; pip install 'synthvae[play]'; {_INSTEAD}") from None
    except OSError as error:  # the package is there, the library PortAudio behind it is not
        raise UserError(f"play: {error}; install PortAudio (Debian: apt install libportaudio2); {_INSTEAD}") from None
    module: ModuleType = sounddevice
    return module
