-- SPDX-License-Identifier: Apache-2.0
-- Forgets the addresses of names: old servers keep them for ever, new ones for some seconds.
-- since 18.1
SYSTEM DROP DNS CACHE
