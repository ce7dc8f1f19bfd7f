-- SPDX-License-Identifier: Apache-2.0
-- Ends the server; whoever watches it starts it again.
-- since 18.1
SYSTEM SHUTDOWN
