import pytest
import torch

from ditcourse import byhand
from ditcourse.diffusion import DDPM, FLOW, Levels, RectifiedFlow

SCHEDULES = {
    "flow": (FLOW, [0.02, 0.3, 0.5, 0.8, 1.0]),
    "shifted": (RectifiedFlow(3.0), [0.02, 0.3, 0.5, 0.8, 1.0]),
    "linear": (DDPM("linear"), [0, 50, 400, 800, 999]),
    "cosine": (DDPM("cosine"), [0, 50, 400, 800, 997]),
    "levels": (Levels(3.0), [0.02, 0.5, 1.0, 2.0, 3.0]),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tensors this small are done before a second thread has woken up, and on a busy machine long before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=SCHEDULES)
def scheduled(request):
    """(schedule, five times of it)."""
    return SCHEDULES[request.param]


@pytest.fixture
def draw():
    """draw(2, 3): standard normal, float64, other numbers at every call, the same in every run."""
    generator = torch.Generator().manual_seed(20261121)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.fixture(scope="session")
def exercise():
    return byhand.load()


@pytest.fixture(scope="session")
def key(exercise):
    return byhand.solve(exercise)
