-- SPDX-License-Identifier: Apache-2.0
-- What the loaded configuration says: our generation and digest ride in it.
-- since 18.1
SELECT macro, substitution FROM system.macros
