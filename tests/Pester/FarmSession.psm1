# What the tests share: a pwsh of its own, as a script or a CI step is, and things to build. Imported by each file's BeforeAll.
Set-StrictMode -Version 3

$module = '/opt/NixBuildFarm/NixBuildFarm.psd1'

# What takes longer hangs: far longer than anything takes where several farms share two cores.
$limit = [timespan]::FromMinutes(15)

# What was started and not waited for yet.
$started = [Collections.Generic.List[Diagnostics.Process]]::new()

# A pwsh that runs, and what it writes.
class Session {
    [Diagnostics.Process] $Process
    [Threading.Tasks.Task[string]] $Output
    [Threading.Tasks.Task[string]] $Problems
}

# Starts a pwsh that has imported the module.
function Start-Pwsh {
    param(
        [Parameter(Mandatory)] [string] $Script,
        # Runs it as a script file, not as -Command.
        [switch] $File,
        [hashtable] $Environment = @{},
        # A user of the farm other than root: alice is trusted by Nix, mallory is not.
        [string] $User
    )
    # Where several farms share two cores, a builder that is well may take longer than a user waits for it.
    $text = "Import-Module $module`n`$PSDefaultParameterValues['Test-NixBuilder:TimeoutSec'] = 60`n$Script"
    $arguments = '-NoProfile', '-NonInteractive'
    if ($File) {
        $path = "$([IO.Path]::GetTempPath())session-$([guid]::NewGuid()).ps1"
        [IO.File]::WriteAllText($path, $text)
        $arguments += '-File', $path
    }
    else {
        $arguments += '-Command', $text
    }
    # A test run in the background ignores Ctrl-C; pwsh is not to.
    $program = @('--default-signal=INT,QUIT') + @(if ($User) { 'farm', 'as', $User }) + 'pwsh'
    $start = [Diagnostics.ProcessStartInfo]::new('env', [string[]] ($program + $arguments))
    $start.RedirectStandardOutput = $start.RedirectStandardError = $start.RedirectStandardInput = $true
    $start.Environment['NO_COLOR'] = '1'
    # What an earlier session has learnt of a builder, such as its quarantine, is not what a test is about.
    $start.Environment['XDG_STATE_HOME'] = "$([IO.Path]::GetTempPath())$(New-DerivationName state)"
    foreach ($name in $Environment.Keys) { $start.Environment[$name] = $Environment[$name] }
    $session = [Session]::new()
    $session.Process = [Diagnostics.Process]::Start($start)
    $started.Add($session.Process)
    $session.Process.StandardInput.Close()
    $session.Output = $session.Process.StandardOutput.ReadToEndAsync()
    $session.Problems = $session.Process.StandardError.ReadToEndAsync()
    $session
}

# Waits for a pwsh and gives what it did. One that does not end is killed, and fails the test.
function Wait-Pwsh {
    param([Parameter(Mandatory, ValueFromPipeline)] [Session] $Session)
    try {
        $ended = $Session.Process.WaitForExit($limit)
        if (-not $ended) { $Session.Process.Kill($true) }
        $result = [pscustomobject]@{
            ExitCode = $Session.Process.ExitCode
            Output   = [string[]] @($Session.Output.Result.Split("`n", [StringSplitOptions]::RemoveEmptyEntries))
            Problems = [string[]] @($Session.Problems.Result.Split("`n", [StringSplitOptions]::RemoveEmptyEntries))
        }
        if (-not $ended) {
            throw "pwsh did not end within $limit. It wrote:`n$($result.Output -join "`n")`n$($result.Problems -join "`n")"
        }
        $result
    }
    finally {
        $null = $started.Remove($Session.Process)
        $Session.Process.Dispose()
    }
}

# A pwsh on a terminal of its own, whose every byte is in a file.
class Terminal {
    [Diagnostics.Process] $Process
    [string] $Screen
}

# Starts a script in a pwsh on a pseudo terminal of 30 lines and 100 columns.
function Start-Terminal {
    param([Parameter(Mandatory)] [string] $Script, [hashtable] $Environment = @{}, [string] $Redirection = '')
    $name = "$([IO.Path]::GetTempPath())$(New-DerivationName terminal)"
    # Progress asks the terminal where its cursor is, and nothing here answers.
    [IO.File]::WriteAllText("$name.ps1", "Import-Module $module`n`$ProgressPreference = 'SilentlyContinue'`n$Script")
    [IO.File]::WriteAllText("$name.txt", '')
    # exec: the only child of script is pwsh, which signals of a test are for. A test run in the background ignores Ctrl-C; pwsh is not to.
    $command = "stty rows 30 cols 100; exec env --default-signal=INT,QUIT pwsh -NoProfile -File $name.ps1 $Redirection"
    $options = '--quiet', '--flush', '--return', '--command', $command, "$name.txt"
    $start = [Diagnostics.ProcessStartInfo]::new('script', [string[]] $options)
    $start.RedirectStandardInput = $start.RedirectStandardOutput = $true
    $start.Environment['SHELL'] = '/bin/sh'
    $start.Environment['TERM'] = 'xterm-256color'
    foreach ($key in $Environment.Keys) { $start.Environment[$key] = $Environment[$key] }
    $process = [Diagnostics.Process]::Start($start)
    $started.Add($process)
    # What nobody reads stops the terminal.
    $null = $process.StandardOutput.BaseStream.CopyToAsync([IO.Stream]::Null)
    [Terminal]@{ Process = $process; Screen = "$name.txt" }
}

# What was written to the terminal so far, control sequences and all.
function Get-Screen([Terminal] $Terminal) {
    $file = [IO.FileStream]::new($Terminal.Screen, 'Open', 'Read', 'ReadWrite, Delete')
    try { [IO.StreamReader]::new($file).ReadToEnd() } finally { $file.Dispose() }
}

# Presses a key: a character; Ctrl-C is 3.
function Send-Key([Terminal] $Terminal, [char] $Key) {
    $Terminal.Process.StandardInput.Write($Key)
    $Terminal.Process.StandardInput.Flush()
}

# The process id of the pwsh on a terminal.
function Get-TerminalProcess([Terminal] $Terminal) {
    [int] [IO.File]::ReadAllText("/proc/$($Terminal.Process.Id)/task/$($Terminal.Process.Id)/children").Trim().Split(' ')[0]
}

# Waits until the script has ended, and gives its exit code. What does not end is killed, and fails the test.
function Wait-Terminal([Terminal] $Terminal) {
    try {
        $ended = $Terminal.Process.WaitForExit($limit)
        if (-not $ended) {
            $Terminal.Process.Kill($true)
            throw "The terminal did not end within $limit. It showed:`n$(Get-Screen $Terminal)"
        }
        $Terminal.Process.ExitCode
    }
    finally {
        $null = $started.Remove($Terminal.Process)
        $Terminal.Process.Dispose()
    }
}

# Ends what a test that failed has not waited for.
function Stop-Started {
    foreach ($process in $started) {
        if (-not $process.HasExited) { $process.Kill($true) }
        $process.Dispose()
    }
    $started.Clear()
}

# Runs a script in a pwsh of its own.
function Invoke-Pwsh {
    param(
        [Parameter(Mandatory)] [string] $Script,
        [switch] $File,
        [hashtable] $Environment = @{},
        [string] $User
    )
    Start-Pwsh -Script $Script -File:$File -Environment $Environment -User $User | Wait-Pwsh
}

# Controls the farm; what fails fails the test.
function Invoke-Farm {
    $lines = & farm @args 2>&1
    if ($LASTEXITCODE -ne 0) { throw "farm $args failed: $lines" }
    $lines
}

# Waits until something is so, which fails the test if it is not within the limit.
function Wait-Until {
    param([Parameter(Mandatory)] [scriptblock] $Condition, [Parameter(Mandatory)] [string] $What)
    $clock = [Diagnostics.Stopwatch]::StartNew()
    # What asks a program each time costs those that it waits for more than the wait.
    while (-not (& $Condition)) {
        if ($clock.Elapsed -gt $limit) { throw "Not so within ${limit}: $What" }
        Start-Sleep -Milliseconds 300
    }
}

# A name that nothing else has, in whatever file of tests.
function New-DerivationName([string] $Prefix = 'case') { "$Prefix-$([guid]::NewGuid().ToString('n').Substring(0, 12))" }

# Writes a Nix file of derivations that nobody has built, and gives its path; each of -Package is a name and the command that builds it.
function New-NixFile {
    param([hashtable] $Package = @{ one = 'echo > $out' }, [string] $System = 'x86_64-linux')
    $lines = foreach ($name in $Package.Keys) {
        ("  $name = derivation {`n    name = `"$(New-DerivationName $name)`"; system = `"$System`"; builder = `"/bin/sh`"; " +
            "PATH = `"/usr/bin:/bin`";`n") +
            "    args = [ `"-c`" ''$($Package[$name])'' ];`n  };"
    }
    $path = "$([IO.Path]::GetTempPath())$(New-DerivationName file).nix"
    [IO.File]::WriteAllText($path, "rec {`n$($lines -join "`n")`n}`n")
    $path
}

# A command that builds when /tmp/MARK is there, on the machine that builds; Open-Gate makes it.
function Get-GatedCommand([string] $Mark) { "until test -e /tmp/$Mark; do sleep 0.2; done; echo > `$out" }

function Open-Gate([string] $Mark, [string[]] $On) {
    foreach ($name in $On) { $null = Invoke-Farm exec $name touch "/tmp/$Mark" }
}

# How many builds with that mark run on a machine.
function Measure-Gated([string] $Mark, [string] $On) {
    # In brackets, so that what looks does not find itself. The coordinator sees the processes of all.
    $pattern = "/tmp/[$($Mark[0])]$($Mark.Substring(1));"
    # Each build is a session of its own: a child that it has just forked looks like the build itself.
    $sessions = "sed s/cmdline/stat/ | xargs -r cut -d' ' -f6 2> /dev/null | sort -u | wc -l"
    [int] (Invoke-Farm exec $On sh -c "grep -slE '$pattern' /proc/[0-9]*/cmdline | $sessions")
}

Export-ModuleMember -Function @(
    'Start-Pwsh', 'Wait-Pwsh', 'Invoke-Pwsh', 'Stop-Started', 'Invoke-Farm', 'Wait-Until'
    'Start-Terminal', 'Get-Screen', 'Send-Key', 'Get-TerminalProcess', 'Wait-Terminal'
    'New-DerivationName', 'New-NixFile', 'Get-GatedCommand', 'Open-Gate', 'Measure-Gated'
)
