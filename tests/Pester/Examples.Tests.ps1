# Whatever a reader copies from a document works: every example is run on the farm, in the order of its document.
BeforeDiscovery {
    Import-Module "$PSScriptRoot/Examples/Documents.psm1" -Force
    $documents = Get-ExampleDocument
}

BeforeAll {
    Import-Module "$PSScriptRoot/FarmSession.psm1", "$PSScriptRoot/Examples/Documents.psm1" -Force
    Initialize-ExampleFarm
    Invoke-ExampleDocument (Get-ExampleDocument)
}

AfterAll {
    Remove-ExampleFarm
}

Describe 'The examples of <Name>' -ForEach $documents {
    It 'work: <First>' -AllowNullOrEmptyForEach -ForEach @($Examples | Where-Object Way -EQ 'Run') {
        Get-ExampleProblem $Document $Index | Should -BeNullOrEmpty
    }

    It 'lack what the list says that they lack: <First>' -AllowNullOrEmptyForEach -ForEach @($Examples | Where-Object Way -EQ 'Fail') {
        Get-ExampleProblem $Document $Index | Should -Not -BeNullOrEmpty -Because 'an example that works is to be taken off the list'
    }
}

Describe 'What stands in for the machines of a reader' {
    It 'is for examples that are there' {
        Get-UnknownExample | Should -BeNullOrEmpty
    }
}
