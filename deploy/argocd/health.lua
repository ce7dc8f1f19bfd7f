-- SPDX-License-Identifier: Apache-2.0
-- Health of a ClickHouseInstallation or ClickHouseKeeperInstallation for Argo CD.
local result = {}

local function say(status, message)
  result.status = status
  result.message = message
  return result
end

local function condition(type)
  if obj.status.conditions ~= nil then
    for _, c in ipairs(obj.status.conditions) do
      if c.type == type then
        return c
      end
    end
  end
  return {}
end

local function is_yes(value)
  local text = string.lower(tostring(value))
  return text == "yes" or text == "true" or text == "on" or text == "1" or text == "enable" or text == "enabled"
end

if obj.spec ~= nil and is_yes(obj.spec.suspend) then
  return say("Suspended", "spec.suspend is set: the operator does nothing")
end
if obj.status == nil or obj.status.status == nil then
  return say("Progressing", "The operator has not said anything yet")
end

local degraded = condition("Degraded")
local message = degraded.message
if message == nil or message == "" then
  message = obj.status.error
end
local generation = obj.metadata.generation
local seen = obj.status.observedGeneration
if seen ~= nil and generation ~= nil and seen < generation then
  return say("Progressing", "Generation " .. generation .. " is not worked on yet")
end
if degraded.status == "True" and degraded.reason == "WAIT_APPROVAL" then
  return say("Suspended", message)
end
if obj.status.status == "Completed" then
  return say("Healthy", "All hosts are as described")
end
if obj.status.status == "Aborted" then
  return say("Degraded", message or "The change ended before all hosts were as described")
end
if obj.status.status == "Terminating" then
  return say("Progressing", "Being removed")
end
local text = tostring(obj.status.hostsCompleted or 0) .. " of " .. tostring(obj.status.hosts or 0) .. " hosts are done"
if message ~= nil and message ~= "" then
  text = text .. ": " .. message
end
return say("Progressing", text)
