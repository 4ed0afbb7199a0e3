"""The image of TensorFlow Serving, and whether it can be had here."""

import subprocess

SERVER_TAG = "2.19.1"
"""As in deploy/compose.yaml; it loads the models of both stacks."""

SERVER_IMAGE = f"tensorflow/serving:{SERVER_TAG}"


def find_obstacle() -> str | None:
    """Says why the server can't be run in Docker on this machine; None where it can."""
    try:
        ended = subprocess.run(
            ["docker", "inspect", "--type=image", SERVER_IMAGE],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except FileNotFoundError:
        return "there is no docker command"
    except subprocess.TimeoutExpired:
        return "Docker does not answer"
    if ended.returncode == 0:
        return None
    if "No such image" in ended.stderr:
        return f"the image is not here: `docker pull {SERVER_IMAGE}`"
    return f"Docker says: {(ended.stderr.strip().splitlines() or ['nothing'])[-1]}"
