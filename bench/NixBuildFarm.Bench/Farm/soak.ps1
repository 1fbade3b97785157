# One session that builds again and again, and what of the machine it holds after some of the runs.
param([string] $Module, [string] $Expression, [int] $Runs, [int[]] $Looks)
$ErrorActionPreference = 'Stop'
Import-Module $Module

# How many open files of this process lead to something whose name begins so.
function Measure-Handle([string] $Kind) {
    $count = 0
    foreach ($handle in [IO.Directory]::GetFileSystemEntries('/proc/self/fd')) {
        # One of them was there for the list only.
        if ("$([IO.FileInfo]::new($handle).LinkTarget)".StartsWith($Kind)) { $count++ }
    }
    $count
}

function Measure-Session([int] $Run) {
    # What is over has time to end: threads that were idle, processes that were told to.
    $last = -1
    for ($i = 0; $i -lt 30 -and $last -ne ($now = [IO.Directory]::GetDirectories('/proc/self/task').Count); $i++) {
        $last = $now
        Start-Sleep -Seconds 1
    }
    for ($i = 0; $i -lt 3; $i++) {
        [GC]::Collect()
        [GC]::WaitForPendingFinalizers()
    }
    $self = [Diagnostics.Process]::GetCurrentProcess()
    $self.Refresh()
    $children = @(Get-Process -ErrorAction Ignore | Where-Object { $_.Parent.Id -eq $PID }).Count
    $row = $Run, [IO.Directory]::GetFileSystemEntries('/proc/self/fd').Count, (Measure-Handle 'socket:'), (Measure-Handle 'pipe:'),
        $self.Threads.Count, $children, [math]::Round([GC]::GetTotalMemory($true) / 1MB, 1), [math]::Round($self.WorkingSet64 / 1MB)
    [Console]::Out.WriteLine("LOOK $row")
}

Measure-Session 0
for ($run = 1; $run -le $Runs; $run++) {
    $text = [IO.File]::ReadAllText($Expression).Replace('@run@', [guid]::NewGuid())
    $path = [IO.Path]::ChangeExtension($Expression, 'run.nix')
    [IO.File]::WriteAllText($path, $text)
    $bad = @(Get-NixBuilder | Invoke-NixDistributedBuild -Path $path | Where-Object { -not $_.Success })
    if ($bad.Count -gt 0) { throw "In run $run, $($bad.Count) builds failed: $($bad[0].Error)" }
    if ($Looks -contains $run) { Measure-Session $run }
}
