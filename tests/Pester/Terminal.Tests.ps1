# What is seen on a terminal, and what is left of it: Watch-NixBuild, -Display Full and -OnCompleted, in a pwsh on a pseudo terminal.
BeforeAll {
    Import-Module "$PSScriptRoot/FarmSession.psm1" -Force
    # As xterm has them: the other screen, and back.
    $whole, $before = "$([char] 27)[?1049h", "$([char] 27)[?1049l"

    # A build that goes on, on kana, of another session than those that look at it.
    function Start-Run([string] $Mark, [string] $State) {
        $path = New-NixFile @{ slow = "echo first line; $(Get-GatedCommand $Mark)" }
        $session = Start-Pwsh -Environment @{ XDG_STATE_HOME = $State } (
            "Invoke-NixDistributedBuild -Path $path -Builder kana -InformationAction Ignore | ForEach-Object Status")
        Wait-Until { (Measure-Gated $Mark kana) -gt 0 } 'kana builds'
        $session
    }

    # The run has gone on whatever became of who looked at it.
    function Assert-GoesOn($Session, [string] $Mark) {
        Measure-Gated $Mark kana | Should -Be 1
        Open-Gate $Mark kana
        ($Session | Wait-Pwsh).Output | Should -Be 'Built'
    }
}

Describe 'Watch-NixBuild on a terminal' {
    BeforeEach {
        $mark = New-DerivationName gate
        $state = "$TestDrive/$mark"
        $session = Start-Run $mark $state
    }

    # Whatever a test came to, the build ends, and whoever looked at it.
    AfterEach {
        Open-Gate $mark kana
        Stop-Started
    }

    It 'has the whole of it, follows the log of a build, and leaves it as it was: <How>' -ForEach @(
        @{ How = 'q'; Key = 'q' }
        @{ How = 'Escape'; Key = [char] 27 }
    ) {
        $terminal = Start-Terminal 'Watch-NixBuild; "and went on"' -Environment @{ XDG_STATE_HOME = $state }
        Wait-Until { (Get-Screen $terminal) -match 'kana: 1 build' } 'the view is there'
        Send-Key $terminal 'l'
        Wait-Until { (Get-Screen $terminal) -match 'first line' } 'the log of the build is there'
        Send-Key $terminal 'l'
        Send-Key $terminal $Key
        Wait-Terminal $terminal | Should -Be 0
        $screen = Get-Screen $terminal
        $screen.IndexOf($whole) | Should -BeGreaterOrEqual 0
        $screen.LastIndexOf($before) | Should -BeGreaterThan $screen.LastIndexOf($whole)
        $screen.Substring($screen.LastIndexOf($before)) | Should -Match 'and went on'
        Assert-GoesOn $session $mark
    }

    It 'leaves it as it was after Ctrl-C, and the run goes on' {
        $terminal = Start-Terminal 'Watch-NixBuild; "and went on"' -Environment @{ XDG_STATE_HOME = $state }
        Wait-Until { (Get-Screen $terminal) -match 'kana: 1 build' } 'the view is there'
        Send-Key $terminal ([char] 3)
        $null = Wait-Terminal $terminal
        $screen = Get-Screen $terminal
        $screen.LastIndexOf($before) | Should -BeGreaterThan $screen.LastIndexOf($whole)
        $screen | Should -Not -Match 'and went on'
        Assert-GoesOn $session $mark
    }

    It 'leaves it as it was after SIGTERM, and the run goes on' {
        $terminal = Start-Terminal 'Watch-NixBuild; "and went on"' -Environment @{ XDG_STATE_HOME = $state }
        Wait-Until { (Get-Screen $terminal) -match 'kana: 1 build' } 'the view is there'
        & kill -TERM (Get-TerminalProcess $terminal)
        Wait-Terminal $terminal | Should -Not -Be 0
        $screen = Get-Screen $terminal
        $screen.LastIndexOf($before) | Should -BeGreaterThan $screen.LastIndexOf($whole)
        Assert-GoesOn $session $mark
    }

    It 'ends with the run, and what it showed last stays' {
        $terminal = Start-Terminal 'Watch-NixBuild; "and went on"' -Environment @{ XDG_STATE_HOME = $state }
        Wait-Until { (Get-Screen $terminal) -match 'kana: 1 build' } 'the view is there'
        Assert-GoesOn $session $mark
        Wait-Terminal $terminal | Should -Be 0
        $screen = Get-Screen $terminal
        $left = $screen.Substring($screen.LastIndexOf($before))
        $left | Should -Match 'Succeeded'
        $left | Should -Match '1 of 1 done'
        $left | Should -Match 'and went on'
    }

    It 'writes plain lines where <Where>' -ForEach @(
        @{ Where = 'TERM is dumb'; Script = 'Watch-NixBuild'; Terminal = 'dumb' }
        @{ Where = 'a command takes them'; Script = 'Watch-NixBuild | ForEach-Object { $_ }'; Terminal = 'xterm' }
        @{ Where = 'they are asked for'; Script = 'Watch-NixBuild -Plain'; Terminal = 'xterm' }
    ) {
        $terminal = Start-Terminal $Script -Environment @{ XDG_STATE_HOME = $state; TERM = $Terminal }
        Wait-Until { (Get-Screen $terminal) -match 'kana (builds|receives the inputs of) slow-' } 'it is told what kana does'
        Assert-GoesOn $session $mark
        Wait-Terminal $terminal | Should -Be 0
        $screen = Get-Screen $terminal
        $screen | Should -Match 'Built: slow-\S+ on kana'
        $screen | Should -Match 'The run has ended: Succeeded\.'
        $screen.Contains($whole) | Should -BeFalse
    }

    It 'writes plain lines into a file, without a control character, and nothing on the terminal' {
        $file = "$TestDrive/$mark.txt"
        $terminal = Start-Terminal 'Watch-NixBuild' -Redirection "> $file" -Environment @{ XDG_STATE_HOME = $state }
        Wait-Until { (Test-Path $file) -and [IO.File]::ReadAllText($file) -match 'kana (builds|receives the inputs of) slow-' } (
            'it is told what kana does')
        Assert-GoesOn $session $mark
        Wait-Terminal $terminal | Should -Be 0
        $lines = [IO.File]::ReadAllText($file)
        $lines | Should -Match 'The run has ended: Succeeded\.'
        $lines | Should -Not -Match '[\x00-\x09\x0b-\x1f\x7f]'
        (Get-Screen $terminal).Contains($whole) | Should -BeFalse
    }
}

Describe 'A build on a terminal' {
    AfterEach { Stop-Started }

    It 'has the whole of it with -Display Full, and then its results and what -OnCompleted says' {
        $path = New-NixFile @{ one = 'echo > $out' }
        $terminal = Start-Terminal -Environment @{ XDG_STATE_HOME = "$TestDrive/$(New-DerivationName state)" } (
            "Invoke-NixDistributedBuild -Path $path -Builder kana -Display Full -OnCompleted { `"said `$(`$_.State)`" }")
        Wait-Terminal $terminal | Should -Be 0
        $screen = Get-Screen $terminal
        $left = $screen.Substring($screen.LastIndexOf($before))
        $left | Should -Match 'one-'
        $left | Should -Match 'said Succeeded'
    }

    It 'leaves the terminal as it was after Ctrl-C in -Display Full, and nothing is built any more' {
        $mark = New-DerivationName gate
        $path = New-NixFile @{ slow = Get-GatedCommand $mark }
        $terminal = Start-Terminal -Environment @{ XDG_STATE_HOME = "$TestDrive/$mark" } (
            "Invoke-NixDistributedBuild -Path $path -Builder kana -Display Full; 'and went on'")
        Wait-Until { (Get-Screen $terminal) -match 'kana: 1 build' } 'the view is there'
        Wait-Until { (Measure-Gated $mark kana) -gt 0 } 'kana builds'
        Send-Key $terminal ([char] 3)
        $null = Wait-Terminal $terminal
        $screen = Get-Screen $terminal
        $screen.LastIndexOf($before) | Should -BeGreaterThan $screen.LastIndexOf($whole)
        $screen | Should -Not -Match 'and went on'
        Wait-Until { (Measure-Gated $mark kana) -eq 0 } 'kana builds no more'
    }

    It 'is whole although -OnCompleted throws: that is a warning' {
        $path = New-NixFile @{ one = 'echo > $out' }
        $terminal = Start-Terminal -Environment @{ XDG_STATE_HOME = "$TestDrive/$(New-DerivationName state)" } (
            "(Invoke-NixDistributedBuild -Path $path -Builder kana -OnCompleted { throw 'oops' }).Status")
        Wait-Terminal $terminal | Should -Be 0
        $screen = Get-Screen $terminal
        $screen | Should -Match 'WARNING: .*oops'
        $screen | Should -Match 'Built'
    }
}
