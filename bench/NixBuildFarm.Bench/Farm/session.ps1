# What a session takes for the things that a user waits for at the prompt, in milliseconds.
param([string] $Module, [string] $Machines, [string] $Derivation)
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
