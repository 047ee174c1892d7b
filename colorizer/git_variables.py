"""The variables by which Git tells its hooks which repository they are run for."""

import os

# Those of `git rev-parse --local-env-vars`, without the configuration, as Git itself removes them
# where it starts a command in a submodule.
GIT_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)


def drop_git_variables() -> None:
    """Remove these variables from this process's environment, and so from its children's.

    Call it once, before Git or DVC is started: each then uses the repository of its own folder.
    With the variables of a hook they would use the hook's repository and index in every folder.
    """
    for name in GIT_VARIABLES:
        os.environ.pop(name, None)
