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

function Write-Report([string] $Name, [hashtable] $Run) {
    $all = @{
        Id = '20260301-140522-7c1e'; Started = $began; Ended = $began.AddSeconds(300); State = 'Succeeded'
        Requested = [string[]] '.#system'
    }
    foreach ($key in $Run.Keys) { $all[$key] = $Run[$key] }
    $report = [NixBuildFarm.Reporting.RunReportMaker]::ToReport([NixBuildFarm.History.RunRecord] $all)
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
