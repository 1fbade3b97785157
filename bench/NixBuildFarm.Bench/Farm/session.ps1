# What a session takes for the things that a user waits for at the prompt, in milliseconds.
param([string] $Module, [string] $Machines, [string] $Derivation, [string] $Sleeping, [string] $Mark, [int] $Sleepers)
$ErrorActionPreference = 'Stop'
$watch = [Diagnostics.Stopwatch]::StartNew()
Import-Module $Module
[Console]::Out.WriteLine("import $($watch.Elapsed.TotalMilliseconds)")

$watch.Restart()
$builders = Get-NixBuilder -Path $Machines
[Console]::Out.WriteLine("builders $($watch.Elapsed.TotalMilliseconds)")
if ($builders.Count -lt 1000) { throw "Only $($builders.Count) builders came." }

$watch.Restart()
$plan = Get-NixBuilder -Name local | Invoke-NixDistributedBuild -DerivationPath $Derivation -WhatIf
[Console]::Out.WriteLine("plan $($watch.Elapsed.TotalMilliseconds)")
if ($plan.Count -lt 10000) { throw "Only $($plan.Count) builds were planned." }

# Hosts of the farm are namespaces: their processes are seen from here.
function Measure-Sleeper { @(Get-Process -Name sleep -ErrorAction Ignore | Where-Object CommandLine -Match "sleep $Mark").Count }
$shell = [powershell]::Create()
$null = $shell.AddScript('param($Module, $Path) Import-Module $Module; Get-NixBuilder | Invoke-NixDistributedBuild -Path $Path')
$null = $shell.AddArgument($Module).AddArgument($Sleeping).BeginInvoke()
while ((Measure-Sleeper) -lt $Sleepers) { Start-Sleep -Milliseconds 200 }
$watch.Restart()
$shell.Stop()
[Console]::Out.WriteLine("stop $($watch.Elapsed.TotalMilliseconds)")
while ((Measure-Sleeper) -gt 0) { Start-Sleep -Milliseconds 20 }
[Console]::Out.WriteLine("ended $($watch.Elapsed.TotalMilliseconds)")

# A coordinator that is killed, a process of its own: until nobody is told to hold a slot.
# Of lists that are all empty, (…).SlotHolders would make one null.
function Measure-Slot { @(Get-NixBuilder -Live | ForEach-Object { $_.SlotHolders }).Count }
$command = "Import-Module '$Module'; Get-NixBuilder | Invoke-NixDistributedBuild -Path '$Sleeping'"
$coordinator = Start-Process pwsh -ArgumentList '-NoProfile', '-Command', "`"$command`"" -PassThru
while ((Measure-Sleeper) -lt $Sleepers) { Start-Sleep -Milliseconds 200 }
if ((Measure-Slot) -eq 0) { throw 'The coordinator holds no slots.' }
$watch.Restart()
$coordinator.Kill()
while ((Measure-Slot) -gt 0) { }
[Console]::Out.WriteLine("freed $($watch.Elapsed.TotalMilliseconds)")
while ((Measure-Sleeper) -gt 0) { Start-Sleep -Milliseconds 20 }
