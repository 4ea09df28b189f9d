"""Where bytes lie: files by dataset and key, their identities, staging, history and locks.

`protocol` says what any store must do, `local` is a folder, `memory` is for tests; `layout` says
where everything lies in the folders of this machine.

Knows nothing of what files hold, nor of what is recorded.
"""
