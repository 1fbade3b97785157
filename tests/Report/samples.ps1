<#
.SYNOPSIS
    Writes reports of runs that never were, for the tests of the page: an ordinary one, a hostile one, 1,000 and 20,000 derivations.
#>
param(
    [Parameter(Mandatory)] [string] $Module,
    [Parameter(Mandatory)] [string] $Folder
)
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
Import-Module $Module
$null = [IO.Directory]::CreateDirectory($Folder)
$began = [DateTimeOffset]::new(2026, 3, 1, 14, 5, 22, [TimeSpan]::Zero)

function New-Builder([string] $Name, [int] $MaxJobs, [string[]] $Systems = 'x86_64-linux', [double] $Speed = 1) {
    [NixBuildFarm.Scheduling.FarmBuilder]@{
        Name    = $Name
        IsLocal = $Name -eq 'local'
        MaxJobs = $MaxJobs
        Systems = [NixBuildFarm.Scheduling.SystemSpeed[]] @($Systems | ForEach-Object {
            [NixBuildFarm.Scheduling.SystemSpeed]::new($_, $Speed)
        })
    }
}

function New-Job([string] $Name, [hashtable] $Job = @{}, [hashtable] $Record = @{}) {
    $own = @{ Name = $Name; System = 'x86_64-linux' }
    foreach ($key in $Job.Keys) { $own[$key] = $Job[$key] }
    $all = @{
        Job = [NixBuildFarm.Scheduling.Job] $own; DerivationPath = "/nix/store/00000000000000000000000000000000-$Name.drv"; Status = 'Built'
    }
    foreach ($key in $Record.Keys) { $all[$key] = $Record[$key] }
    [NixBuildFarm.History.RecordedJob] $all
}

function New-Run([hashtable] $Run) {
    $all = @{
        Id = '20260301-140522-7c1e'; Started = $began; Ended = $began.AddSeconds(300); State = 'Succeeded'
        Requested = [string[]] '.#system'
    }
    foreach ($key in $Run.Keys) { $all[$key] = $Run[$key] }
    [NixBuildFarm.History.RunRecord] $all
}

function Write-Report([string] $Name, [hashtable] $Run, [NixBuildFarm.History.RunRecord] $ComparedTo) {
    $report = [NixBuildFarm.Reporting.RunReportMaker]::ToReport((New-Run $Run), $ComparedTo)
    foreach ($format in @(
        @('html', [NixBuildFarm.Reporting.HtmlReport]), @('json', [NixBuildFarm.Reporting.ReportJson]),
        @('trace', [NixBuildFarm.Reporting.ChromeTrace])
    )) {
        $stream = [IO.File]::Create("$Folder/$Name.$($format[0])")
        try { $format[1]::Write($report, $stream) } finally { $stream.Dispose() }
    }
}

# As many derivations as wanted, on a farm of as many builders as they need, without a gap: each waits for a few of the ones before it.
function New-Crowd([int] $Count, [int] $Machines) {
    $random = [Random]::new(7)
    $farm = @(for ($i = 0; $i -lt $Machines; $i++) { New-Builder $(if ($i) { "machine$i" } else { 'local' }) 4 })
    $free = [double[]]::new($Machines * 4)
    $jobs = [Collections.Generic.List[NixBuildFarm.History.RecordedJob]]::new()
    $ends = [double[]]::new($Count)
    for ($i = 0; $i -lt $Count; $i++) {
        $slot = 0
        for ($s = 1; $s -lt $free.Length; $s++) { if ($free[$s] -lt $free[$slot]) { $slot = $s } }
        $dependencies = [int[]] @(if ($i -gt 50) { for ($d = 0; $d -lt 2; $d++) { $random.Next([Math]::Max(0, $i - 400), $i - 40) } })
        $ready = 0.0
        foreach ($d in $dependencies) { if ($ends[$d] -gt $ready) { $ready = $ends[$d] } }
        $supply = [Math]::Max($free[$slot], $ready)
        $start = $supply + 0.3 * $random.NextDouble()
        $seconds = 0.3 + [Math]::Pow($random.NextDouble(), 6) * 60
        $ends[$i] = $free[$slot] = $start + $seconds
        $jobs.Add((New-Job "package-$i-1.$($i % 9)" @{ Dependencies = $dependencies; IsRequested = $i -eq $Count - 1 } @{
            Builder = $farm[[Math]::Floor($slot / 4)].Name; SupplyStart = $supply; Start = $start; Seconds = $seconds
            Waited = [Math]::Max(0, $start - $ready); ExpectedSeconds = $seconds * (0.7 + $random.NextDouble()); Cores = 2
            SuppliedBytes = $random.Next(5000000); OutputBytes = $random.Next(90000000)
            HomeStart = if ($slot -ge 4) { [Math]::Ceiling($ends[$i]) }; HomeSeconds = 0.8
        }))
    }
    $last = 0.0
    foreach ($end in $ends) { if ($end -gt $last) { $last = $end } }
    @{ Farm = [NixBuildFarm.Scheduling.FarmBuilder[]] $farm; Jobs = $jobs.ToArray(); Ended = $began.AddSeconds($last + 1) }
}

Write-Report 'thousand' (New-Crowd 1000 6)
Write-Report 'twenty-thousand' (New-Crowd 20000 40)

# Everything that a run can have: fetches, a retry, a hedge, a failure with its log, what was not tried because of it.
[IO.File]::WriteAllText("$Folder/bad.log", "compiling`nbad.c:3: error: expected ';'`n")
$attempts = {
    param($Builder, $At, $Seconds, $Reason)
    , [NixBuildFarm.History.NixBuildAttempt[]] @([NixBuildFarm.History.NixBuildAttempt]@{
        Builder = $Builder; Started = $began.AddSeconds($At); Duration = [TimeSpan]::FromSeconds($Seconds); Reason = $Reason
    })
}
$shared = [NixBuildFarm.History.SharedCompiles]@{
    Count = 90; Shared = 30; Saved = [timespan]::FromSeconds(12)
    Builders = [NixBuildFarm.History.BuilderCompiles[]] @([NixBuildFarm.History.BuilderCompiles]::new('kana', 30, 60, $false))
    Spans = [NixBuildFarm.History.CompileSpan[]] @(foreach ($i in 0..2) {
        [NixBuildFarm.History.CompileSpan]::new('kana', "part$i.c", $began.AddSeconds(52 + 10 * $i), 6)
    })
}
Write-Report 'mixed' @{
    State = 'Failed'
    Ended = $began.AddSeconds(95)
    Farm = [NixBuildFarm.Scheduling.FarmBuilder[]] @(
        (New-Builder 'local' 2), (New-Builder 'ruby' 2 @('x86_64-linux', 'riscv64-linux')), (New-Builder 'kana' 2)
    )
    Jobs = [NixBuildFarm.History.RecordedJob[]] @(
        (New-Job 'source-2.1' @{} @{ Status = 'Substituted'; IsSubstitution = $true; Builder = 'local'; Start = 0.2; Seconds = 4.1 })
        (New-Job 'libc-2.40' @{ Dependencies = [int[]] 0 } @{
            Builder = 'ruby'; SupplyStart = 4.4; Start = 6.1; Seconds = 31; ExpectedSeconds = 28; Waited = 1.8; Cores = 4
            SuppliedBytes = 61000000; OutputBytes = 31000000; HomeStart = 37.2; HomeSeconds = 6.5
        })
        (New-Job 'zlib-1.3.1' @{ Dependencies = [int[]] 1 } @{
            Builder = 'local'; SupplyStart = 38; Start = 38.2; Seconds = 7; Waited = 1.1; Cores = 2
            Attempts = & $attempts 'kana' 37.5 9.5 'kana does not answer any more.'
        })
        (New-Job 'openssl-3.4' @{ Dependencies = [int[]] @(1, 2) } @{
            Builder = 'ruby'; SupplyStart = 46; Start = 46.8; Seconds = 40; ExpectedSeconds = 22; Cores = 4; OutputBytes = 5000000
            HomeStart = 87; HomeSeconds = 2; Attempts = & $attempts 'local' 70 17 'another builder finished first'
            SharedCompiles = $shared
        })
        (New-Job 'bad-1.0' @{ Dependencies = [int[]] 1 } @{
            Status = 'Failed'; Builder = 'kana'; SupplyStart = 50; Start = 51; Seconds = 12; Error = 'builder failed with exit code 2'
            LogPath = "$Folder/bad.log"
        })
        (New-Job 'app-7.2' @{
            Dependencies = [int[]] @(3, 4); IsRequested = $true
        } @{ Status = 'DependencyFailed'; Error = 'It needs bad-1.0, which was not built.' })
        (New-Job 'busybox-1.36' @{} @{ Builder = 'local'; SupplyStart = 0.2; Start = 0.2; Seconds = 22; Cores = 2 })
        (New-Job 'curl-8.9' @{ Dependencies = [int[]] @(3) } @{
            Builder = 'local'; SupplyStart = 87; Start = 87.3; Seconds = 7; Cores = 4; Waited = 0.3
        })
    )
}

# A run and an earlier one of the same: what can become of a derivation.
function New-Built([string] $Name, [double] $Start, [double] $Seconds, [string] $Builder = 'ruby', [string] $Hash = '0') {
    New-Job $Name @{} @{
        Builder = $Builder; SupplyStart = $Start; Start = $Start; Seconds = $Seconds
        DerivationPath = "/nix/store/$($Hash * 32)-$Name.drv"
    }
}
$farm = [NixBuildFarm.Scheduling.FarmBuilder[]] @((New-Builder 'ruby' 2), (New-Builder 'kana' 2))
$failure = @{ Status = 'Failed'; Builder = 'kana'; SupplyStart = 5; Start = 5; Seconds = 3; Error = 'builder failed with exit code 2' }
$earlier = New-Run @{
    Id = '20260228-090000-aaaa'; Started = $began.AddDays(-1); Ended = $began.AddDays(-1).AddSeconds(70); State = 'Failed'; Farm = $farm
    Jobs = [NixBuildFarm.History.RecordedJob[]] @(
        (New-Built 'libc-2.39' 0 30 'ruby' '1'), (New-Built 'zlib-1.3.1' 30 20 'ruby' '1'), (New-Built 'expat-2.6' 50 5 'kana')
        (New-Built 'old-1.0' 0 4), (New-Built 'sound-1.0' 5 3), (New-Job 'flaky-1.0' @{} $failure)
    )
}
Write-Report 'compared' @{
    State = 'Failed'; Ended = $began.AddSeconds(90); Farm = $farm; Jobs = [NixBuildFarm.History.RecordedJob[]] @(
        (New-Built 'libc-2.40' 0 45 'kana' '2'), (New-Built 'zlib-1.3.1' 45 12 'ruby' '2'), (New-Built 'expat-2.6' 60 5.1 'kana')
        (New-Built 'fresh-1.0' 0 4), (New-Job 'sound-1.0' @{} $failure), (New-Built 'flaky-1.0' 8 2)
    )
} $earlier

# A run that goes on, at three moments, and its page as it is served.
[IO.File]::WriteAllText("$Folder/libc.log", "configuring`ncompiling malloc.c`n")
$live = [NixBuildFarm.Reporting.Live.LiveRunRecord]::new()
function Add-Event([string] $Kind, [double] $At, [hashtable] $More) {
    $all = @{ Event = $Kind; Time = $began.AddSeconds($At) }
    foreach ($key in $More.Keys) { $all[$key] = $More[$key] }
    $live.Apply([NixBuildFarm.Reporting.Events.RunEventLine] $all)
}
function Write-Moment([string] $Name, [double] $At) {
    $report = $live.ToReport($began.AddSeconds($At))
    $stream = [IO.File]::Create("$Folder/$Name.json")
    try { [NixBuildFarm.Reporting.ReportJson]::Write($report, $stream) } finally { $stream.Dispose() }
    $stream = [IO.File]::Create("$Folder/$Name.html")
    try { [NixBuildFarm.Reporting.HtmlReport]::Write($report, $stream, 'report.json') } finally { $stream.Dispose() }
}
$paths = @{}
foreach ($name in 'libc-2.40', 'app-7.2') { $paths[$name] = "/nix/store/00000000000000000000000000000000-$name.drv" }
$libc = @{ Derivation = $paths['libc-2.40']; Name = 'libc-2.40'; Builder = 'ruby' }
$app = @{ Derivation = $paths['app-7.2']; Name = 'app-7.2'; Builder = 'kana' }
Add-Event RunBegan 0 @{ Run = '20260301-140522-7c1e'; Requested = [string[]] '.#system' }
Add-Event WorkFound 1 @{ Derivations = [NixBuildFarm.Observing.FoundDerivation[]] @(
    [NixBuildFarm.Observing.FoundDerivation]::new($paths['libc-2.40'], 'libc-2.40', 'x86_64-linux')
    $found = [NixBuildFarm.Observing.FoundDerivation]::new($paths['app-7.2'], 'app-7.2', 'x86_64-linux')
    $found.GetType().GetProperty('Needs').SetValue($found, [int[]] 0)
    $found
) }
Add-Event BuildBegan 2 ($libc + @{ Phase = 'buildPhase'; LogPath = "$Folder/libc.log" })
Add-Event MachineRead 2 @{ Builder = 'ruby'; Cores = 8; Load = 3.25; MemoryAvailable = 3GB; OtherBuilds = 2 }
Add-Event Progress 2 @{ Total = 2; Done = 0; Failed = 0; Running = 1; RemainingSeconds = 40; Pushing = 1 }
Write-Moment 'live-first' 10
Add-Event DerivationEnded 20 ($libc + @{ Status = 'Built'; Seconds = 18 })
Add-Event BuildBegan 21 ($app + @{ Phase = 'building' })
Write-Moment 'live-second' 30
Add-Event DerivationEnded 40 ($app + @{ Status = 'Failed'; Seconds = 19; Error = 'builder failed with exit code 2' })
Add-Event RunEnded 41 @{ State = 'Failed' }
Write-Moment 'live-last' 50

# Names, errors and logs that want to be more than text.
$evil = '</script><script>document.title="owned"</script><img src=x onerror="document.title=''owned''">'
[IO.File]::WriteAllText("$Folder/evil.log", "$evil`n$([char] 27)]0;owned$([char] 7)`n<!--<script>`n")
Write-Report 'hostile' @{
    Id = '20260301-140522-<b>7c1e'
    State = 'Failed'
    Error = $evil
    Requested = [string[]] @($evil, '/*DATA*/', '/*SCRIPT*/')
    Farm = [NixBuildFarm.Scheduling.FarmBuilder[]] @((New-Builder $evil 1))
    Jobs = [NixBuildFarm.History.RecordedJob[]] @(
        (New-Job $evil @{ IsRequested = $true } @{
            Status = 'Failed'; Builder = $evil; SupplyStart = 0; Start = 1; Seconds = 2; Error = $evil; LogPath = "$Folder/evil.log"
            DerivationPath = $evil
        })
        (New-Job 'proto__' @{ System = '__proto__' } @{
            Builder = '__proto__'; SupplyStart = 0; Start = 1; Seconds = 2; Attempts = & $attempts 'constructor' 0 1 $evil
        })
    )
}
$valid = New-Job 'hello-2.12' @{ IsRequested = $true } @{ Status = 'AlreadyValid'; Builder = 'local' }
Write-Report 'nothing' @{ Ended = $began.AddSeconds(1); Jobs = [NixBuildFarm.History.RecordedJob[]] @($valid) }
