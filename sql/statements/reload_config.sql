-- SPDX-License-Identifier: Apache-2.0
-- Reads all configuration files again, now; fails when one is broken.
-- since 18.1
SYSTEM RELOAD CONFIG
